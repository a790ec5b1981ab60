"""One module per page of the app; each offers `page`, which draws it. (A folder named pages Streamlit would run.)"""
